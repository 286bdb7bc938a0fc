"""What does the measuring client cost, and how punctual is it?"""
