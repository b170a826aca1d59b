"""The gates: each looks at one thing, and says what is broken and what could not be judged."""
