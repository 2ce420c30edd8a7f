"""Lists of users that people paste or upload for the filter "User Is In List"."""
