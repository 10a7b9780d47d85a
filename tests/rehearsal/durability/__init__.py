"""The store under what harms stores: processes that are killed, many clients at once, a full disk."""
