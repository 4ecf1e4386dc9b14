package bundle

import (
	"fmt"

	"strata/internal/safefile"
)

const configFile = "config.json"

// Read reads the configuration of the bundle in a directory.
func Read(dir string) (*Config, error) {
	root, err := safefile.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("bundle: %w", err)
	}
	defer root.Close()
	data, err := root.Read(configFile, MaxSize)
	if err != nil {
		return nil, fmt.Errorf("bundle: %w", err)
	}
	return Parse(data)
}

// Write makes c the configuration of the bundle in a directory, whole or not at all. The file keeps its owner and its
// permissions.
func Write(dir string, c *Config) error {
	root, err := safefile.OpenRoot(dir)
	if err != nil {
		return fmt.Errorf("bundle: %w", err)
	}
	defer root.Close()
	if err := root.Rewrite(configFile, c.data); err != nil {
		return fmt.Errorf("bundle: %w", err)
	}
	return nil
}
