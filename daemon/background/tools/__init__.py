"""What the worker can do: each tool takes plain values and returns a `Result`."""
