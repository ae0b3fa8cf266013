"""From one kind of file to another: old definitions to today's, images to databases, databases to means, features."""
