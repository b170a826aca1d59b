"""The fault bench: what do the checks find of faults in real data, and how soon? `make bench-faults`."""
