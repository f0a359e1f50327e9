"""Neighbour models: the same symbols in fewer bits, because their neighbours are known.

plan      the order of coding
window    the features of a symbol: its 7x7 window, its place, the hyperprior's integers
chain     a symbol as yes-or-no decisions with integer probabilities
coding    one walk that encodes, decodes or counts
boosted   XGBoost, which starts from the hyperprior and adds trees
nearest   KNN, whose votes are mixed with the hyperprior
fit       from training pictures to a model
store     models as files, bound to the weights they were fitted for
"""
