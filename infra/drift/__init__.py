"""Changes made by hand: what the account and Consul have, compared with the program."""
