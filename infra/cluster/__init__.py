"""The cluster: its credentials, the enrolment of its machines, its ACL bootstrap and readiness."""
