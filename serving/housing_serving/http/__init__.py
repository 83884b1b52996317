"""Around every request: its connection and body, its ids and trace, and errors as problem documents."""
