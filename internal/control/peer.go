package control

// isAllowed reports whether a process of user peer may connect to a server of user self.
func isAllowed(peer, self uint32) bool { return peer == 0 || peer == self }
