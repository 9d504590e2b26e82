package project

// Published is a port of the Engine's host that a container holds.
type Published struct {
	ContainerID string
	Container   string // its name
	Project     string // empty where Compose did not make it
	Service     string
	Address     string // of the host: 0.0.0.0, ::, 127.0.0.1
	HostPort    int
	Port        int    // in the container
	Protocol    string // tcp, udp
}
