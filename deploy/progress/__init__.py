"""What an operation of the engine does to a stack: phases, changes, risks, and their display."""
