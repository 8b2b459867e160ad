package place

// mayWrite leaves it to the attempt to tell.
func mayWrite(string) bool { return true }
