"""Who may ask for what: keys and whose they are, signed URLs, the secret, web pages kept out."""
