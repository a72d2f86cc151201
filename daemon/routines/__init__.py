"""Routines: workouts, procedures and recipes that tagalong leads through, step by step.

`language` reads a routine file, `library` finds them, `course` moves from step to step, `words`
says where it is, `report` and `reporter` write down how it went. Those shipped lie beside them.
"""
