"""What all API resources share: authentication, bodies, paging, schemas and the action worker."""
