"""What every request goes through, whatever it asks for: the connection, the body, the method, the query."""
