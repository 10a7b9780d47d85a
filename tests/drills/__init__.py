"""Drills: failures and changes tried under load on real machines."""
