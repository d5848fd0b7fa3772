"""A registry inside a test: `fake_registry.FakeRegistry`, and what it is made of."""
