"""An offline container registry for tests."""
