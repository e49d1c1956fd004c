import time, tests.e2e.test_migration_page as m
