"""Real processes, killed with SIGKILL at random and at named points, under load; then the books."""
