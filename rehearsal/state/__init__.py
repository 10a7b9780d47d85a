"""What a cloud stores: records of each account, and the queries that resources share."""
