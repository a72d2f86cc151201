"""Routines: workouts, procedures and recipes that tagalong leads through, step by step.

`language` reads a routine file, `library` finds them, `course` moves from step to step, `words`
says where it is, `report` writes down how it went. The files shipped lie beside them.
"""
