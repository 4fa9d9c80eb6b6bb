package zmqio

func zeroWatchers() []ChildWatcher { return []ChildWatcher{&SafeChildWatcher{}, &PidfdChildWatcher{}} }
