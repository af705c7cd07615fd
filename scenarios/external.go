package scenarios

// External is an origin that is not started by the run: server: external. Its
// files are named relative to the scenario, and hold what no scenario should.
type External struct {
	URL      string   `yaml:"url" json:"url,omitempty" pattern:"line" doc:"With server: external, the protected object that the edge pulls: https://origin.example/object. Outside of this machine its owner has to consent: docs/external.md."`
	Address  string   `yaml:"address" json:"address,omitempty" pattern:"line" doc:"With server: external, where to connect, as 203.0.113.7:443, in place of what DNS says of the url's host."`
	Kind     string   `yaml:"kind" json:"kind,omitempty" enum:"builtin,nginx,haproxy,apache,caddy" doc:"With server: external, the server of this machine on which the controls of the same cases are proven, at best the same program as the origin's."`
	Answer   string   `yaml:"answer" json:"answer,omitempty" pattern:"line" doc:"With server: external, a text that is in every protected answer, in its body or as a header line (X-Origin: yes), and in no refusal. Without it the answer must be the same each time."`
	Material Material `yaml:"material" json:"material,omitzero" doc:"With server: external, the files of certificates and secrets that the edge and the attempts show."`
}

// Material are files, by what they are for. Keys and certificates are PEM; of a
// secret's file the first line counts.
type Material struct {
	Certificate   string            `yaml:"certificate" json:"certificate,omitempty" pattern:"line" doc:"The certificate that the legitimate edge shows, with its intermediates."`
	Key           string            `yaml:"key" json:"key,omitempty" pattern:"line" doc:"The key of that certificate."`
	CACert        string            `yaml:"cacert" json:"cacert,omitempty" pattern:"line" doc:"The authorities that may have issued the origin's certificate; without it the system's."`
	Secret        string            `yaml:"secret" json:"secret,omitempty" pattern:"line" doc:"A file with the value of the secret header (origin.header.name)."`
	RetiredSecret string            `yaml:"retiredSecret" json:"retiredSecret,omitempty" pattern:"line" doc:"A file with the value that the header had before: for case B04."`
	Certificates  []CaseCertificate `yaml:"certificates" json:"certificates,omitempty" items:"1" doc:"Certificates that only the origin's authority can issue, each for a case: another name's of the same authority for C09, a revoked one for C11, an expired one for C05."`
}

// CaseCertificate is what the attempt of one case shows.
type CaseCertificate struct {
	Case        string `yaml:"case" json:"case" required:"true" pattern:"name" doc:"The case, for example C09."`
	Certificate string `yaml:"certificate" json:"certificate" required:"true" pattern:"line" doc:"The certificate, with its intermediates."`
	Key         string `yaml:"key" json:"key" required:"true" pattern:"line" doc:"The key of that certificate."`
}
