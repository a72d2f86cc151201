"""The interaction model: grammar, tokens, network, scenarios, training and its evaluation."""
