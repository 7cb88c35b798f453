"""Published weights: what there is (`manifest`) and verified bytes of it (`store`), without torch."""
