"""The program on the wearer's device and its partner on the GPU server."""
