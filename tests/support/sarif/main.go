// Reads a SARIF log on standard input and says where it departs from the schema of SARIF 2.1.0.
package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"

	"github.com/owenrumney/go-sarif/v3/pkg/report/v210/sarif"
)

func main() {
	if err := check(); err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
}

func check() error {
	content, err := io.ReadAll(os.Stdin)
	if err != nil {
		return err
	}
	decoder := json.NewDecoder(bytes.NewReader(content))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&sarif.Report{}); err != nil {
		return err
	}
	report, err := sarif.FromBytes(content)
	if err != nil {
		return err
	}
	return report.Validate()
}
