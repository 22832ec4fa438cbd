"""What the processes of scpd have in common: fork, signals, exit codes, titles."""
