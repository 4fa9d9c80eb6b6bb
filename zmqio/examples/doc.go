// Package examples has programs of one page each, in the directories below it. Each says in
// its documentation what it shows and how to run it:
//
//	callers      100 goroutines call servers through one client, with retries
//	pubsub       a publisher that waits for slow subscribers instead of dropping
//	broker       requests go to the worker that was idle for longest; SIGTERM drains
//	httpgateway  HTTP requests become requests to ZeroMQ servers
//	gateway      lines of TCP clients, a child and a file are published, on one loop; SIGTERM loses none
//	service      a server, and its test with package zmqiotest
//	curve        a service for the clients of an allow-list, which may change while it runs
//	metrics      a worker that Prometheus watches, and an orchestrator asks whether it is ready
//	kvevents     the KV-cache events of a vLLM server, with those missed replayed
package examples
