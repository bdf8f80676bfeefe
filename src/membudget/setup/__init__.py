"""Helps people set membudget up: writes what they need, validates what they wrote, and says what is wrong with it."""
