"""What requests and answers say in headers. Nothing here knows of jobs in Redis or bytes in the store."""
