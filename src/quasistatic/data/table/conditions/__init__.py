"""What is known of the cells of rows, other than their values: conditions on all rows, and loosely known cells."""
