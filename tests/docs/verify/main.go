package main

import (
	"bufio"
	"encoding/base64"
	"fmt"
	"os"
	"strings"
)

func main() {
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		f := strings.Split(lines.Text(), "\t")
		body, err := base64.StdEncoding.DecodeString(f[3])
		if err != nil {
			panic(err)
		}
		fmt.Println(hookpaceVerify(f[0], f[1], f[2], body, f[4]))
	}
}
