"""Files that are whole or absent, and folders: whose they are, who may write, how new results replace old ones."""
