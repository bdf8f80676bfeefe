"""Helps people set membudget up: validates what they wrote, and says what is wrong with it."""
