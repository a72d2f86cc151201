"""What the verbs of `tagalong` do; a module is imported when one of its verbs runs."""
