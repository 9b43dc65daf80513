"""From file to file: arrays and tables of any size, run in constant memory."""
