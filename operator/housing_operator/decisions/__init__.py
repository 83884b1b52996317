"""Pure: what was observed and the time → the plan: status, actions, Events, and what shall run."""
