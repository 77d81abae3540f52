"""Adapters to trainers other than our own loop."""
