package compose

import "fmt"

// String says who a registry was asked as.
func (l login) String() string {
	switch {
	case l.encoded == "":
		return "pulls without a login"
	case l.user == "":
		return "a token from " + l.from
	}
	return fmt.Sprintf("user %s from %s", l.user, l.from)
}

// refused says what a registry that denies an image was shown.
func (l login) refused() string {
	if l.encoded == "" {
		return "the registry wants credentials, or has no such image, and deployer has none for it"
	}
	return "the registry refuses " + l.String() + ", or does not let it have the image"
}

// remedy says what to do where a registry denies an image.
func (l login) remedy() string {
	const misspelt = "a misspelt name looks the same to some registries"
	if l.encoded == "" {
		return fmt.Sprintf("name %s under registries: in deployer.yaml, or docker login as deployer's user: %s has nothing for it; %s", l.host, l.from, misspelt)
	}
	return fmt.Sprintf("correct what %s has for %s, or let %s read the image at the registry; %s", l.from, l.host, l.who(), misspelt)
}

func (l login) who() string {
	if l.user == "" {
		return "it"
	}
	return l.user
}
