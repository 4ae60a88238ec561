"""What happens whatever the clients do: leases, deadlines, retention, orphans, room on the disk."""
