package subprocess

import "github.com/zmqio/zmq/zmqio/netio"

// A pipe is the protocol of a pipe to a child. It passes all on to the child's protocol.
type pipe struct {
	netio.BaseProtocol
	t  *Transport
	fd int // of the child
}

func (p *pipe) DataReceived(data []byte) { p.t.Protocol().PipeDataReceived(p.fd, data) }
func (p *pipe) PauseWriting()            { p.t.Protocol().PauseWriting() }
func (p *pipe) ResumeWriting()           { p.t.Protocol().ResumeWriting() }

func (p *pipe) ConnectionLost(err error) {
	if p.t.residence == nil {
		return
	}
	defer func() { // also after a panic, and after runtime.Goexit
		p.t.open--
		p.t.endIfOver()
	}()
	p.t.Protocol().PipeConnectionLost(p.fd, err)
}
