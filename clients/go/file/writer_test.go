package file

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
)

// parts writes a plaintext in parts of a length.
func parts(t *testing.T, to io.Writer, plaintext []byte, length int) {
	t.Helper()
	for len(plaintext) > 0 {
		count := min(length, len(plaintext))
		if written, err := to.Write(plaintext[:count]); err != nil || written != count {
			t.Fatal(written, err)
		}
		plaintext = plaintext[count:]
	}
}

func TestTheWriterMakesTheVectorsThatOpen(t *testing.T) {
	_, vectors := readVectors(t)
	made := 0
	for _, vector := range vectors {
		if vector.Outcome != "opens" || strings.HasPrefix(vector.Name, "authentic under two") {
			continue
		}
		t.Run(vector.Name, func(t *testing.T) {
			file := vector.bytes(t)
			var header Header
			plaintext, err := open(bytes.NewReader(file), func(read Header) ([]byte, error) {
				header = read
				return unhex(t, vector.DataKey), nil
			})
			if err != nil {
				t.Fatal(err)
			}
			for _, length := range []int{1 << 30, segmentLength, segmentLength + 1, 1000} {
				var written bytes.Buffer
				dataKey := unhex(t, vector.DataKey)
				w, err := create(&written, Header{
					Binding: header.Binding, KeyName: header.KeyName, WrappedDataKey: header.WrappedDataKey, salt: header.salt,
				}, dataKey)
				if err != nil {
					t.Fatal(err)
				}
				parts(t, w, plaintext, length)
				if err := w.Close(); err != nil {
					t.Fatal(err)
				}
				if !bytes.Equal(written.Bytes(), file) {
					t.Errorf("in parts of %d, another file", length)
				}
			}
			made++
		})
	}
	if made < 5 {
		t.Errorf("only %d vectors", made)
	}
}

func TestFilesOpenAgainAndNoTwoAreEqual(t *testing.T) {
	header := Header{Binding: BoundToContext, KeyName: "backups", WrappedDataKey: "bkmsx"}
	seen := map[string]bool{}
	for _, length := range []int{0, 1, segmentLength - 1, segmentLength, segmentLength + 1, 3*segmentLength + 7} {
		plaintext := bytes.Repeat([]byte("x"), length)
		var written bytes.Buffer
		dataKey := make([]byte, 32)
		w, err := Create(&written, header, dataKey)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.Copy(w, bytes.NewReader(plaintext)); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Error("closing twice", err)
		}
		if _, err := w.Write([]byte("x")); err == nil {
			t.Error("a closed file is written to")
		}
		read, err := open(bytes.NewReader(written.Bytes()), func(said Header) ([]byte, error) {
			if said.KeyName != "backups" || said.WrappedDataKey != "bkmsx" || said.Binding != BoundToContext {
				t.Error(said)
			}
			return make([]byte, 32), nil
		})
		if err != nil || !bytes.Equal(read, plaintext) {
			t.Error(length, err)
		}
		seen[string(written.Bytes()[:200])] = true
	}
	if len(seen) != 6 {
		t.Error("two files have one salt")
	}
}

func TestAFileThatIsNotClosedIsTruncated(t *testing.T) {
	for _, length := range []int{0, 10, segmentLength, 2*segmentLength + 1} {
		var written bytes.Buffer
		w, err := Create(&written, Header{KeyName: "k", WrappedDataKey: "w"}, make([]byte, 32))
		if err != nil {
			t.Fatal(err)
		}
		parts(t, w, make([]byte, length), 4096)
		_, err = open(&written, func(Header) ([]byte, error) { return make([]byte, 32), nil })
		if !errors.Is(err, ErrTruncated) {
			t.Error(length, err)
		}
	}
}

func TestHeadersThatCannotBeWritten(t *testing.T) {
	for name, header := range map[string]Header{
		"no name":                {WrappedDataKey: "w"},
		"a name with a blank":    {KeyName: "a b", WrappedDataKey: "w"},
		"a name beyond ASCII":    {KeyName: "é", WrappedDataKey: "w"},
		"too long a name":        {KeyName: strings.Repeat("a", 257), WrappedDataKey: "w"},
		"no wrapped key":         {KeyName: "k"},
		"too long a wrapped key": {KeyName: "k", WrappedDataKey: strings.Repeat("a", 8193)},
		"an unknown binding":     {KeyName: "k", WrappedDataKey: "w", Binding: 3},
	} {
		dataKey := bytes.Repeat([]byte{1}, 32)
		var written bytes.Buffer
		if w, err := Create(&written, header, dataKey); err == nil || w != nil || written.Len() != 0 {
			t.Errorf("%s: %v", name, err)
		}
		if !bytes.Equal(dataKey, make([]byte, 32)) {
			t.Errorf("%s: the data key is not cleared", name)
		}
	}
	short := bytes.Repeat([]byte{1}, 31)
	if _, err := Create(io.Discard, Header{KeyName: "k", WrappedDataKey: "w"}, short); err != ErrKey || short[0] != 0 {
		t.Error(err)
	}
}

// fullDisk takes so many bytes.
type fullDisk struct{ left int }

var errFull = errors.New("no space left")

func (d *fullDisk) Write(data []byte) (int, error) {
	if d.left -= len(data); d.left < 0 {
		return 0, errFull
	}
	return len(data), nil
}

func TestADestinationThatFails(t *testing.T) {
	if _, err := Create(&fullDisk{}, Header{KeyName: "k", WrappedDataKey: "w"}, make([]byte, 32)); !errors.Is(err, errFull) {
		t.Error(err)
	}
	w, err := Create(&fullDisk{left: 70_000}, Header{KeyName: "k", WrappedDataKey: "w"}, make([]byte, 32))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(make([]byte, 4*segmentLength)); !errors.Is(err, errFull) {
		t.Error(err)
	}
	if _, err := w.Write([]byte("x")); !errors.Is(err, errFull) {
		t.Error("written on after a failure", err)
	}
	if err := w.Close(); !errors.Is(err, errFull) {
		t.Error("closed after a failure", err)
	}
}

func TestAFileOfTooManySegments(t *testing.T) {
	w, err := create(io.Discard, Header{KeyName: "k", WrappedDataKey: "w", salt: make([]byte, 32)}, make([]byte, 32))
	if err != nil {
		t.Fatal(err)
	}
	w.index = 1<<32 - 1
	if _, err := w.Write(make([]byte, segmentLength)); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write([]byte("x")); err == nil {
		// One more segment would have the number of the first.
		err = w.Close()
		if err == nil {
			t.Error("a number came twice")
		}
	}
}
