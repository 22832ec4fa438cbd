"""The supervisor: accepts, forks, reaps, answers signals."""
