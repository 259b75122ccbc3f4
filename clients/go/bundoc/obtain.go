package bundoc

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
)

// obtain is the whole way to a key, step by step.
func (p *Provider) obtain(ctx context.Context, at place) (*Record, []byte, error) {
	found, err := p.find(at)
	if err != nil {
		return nil, nil, err
	}
	if found.record == nil {
		if found, err = p.mustBeNew(at); err != nil {
			return nil, nil, err
		}
	}
	cluster, err := p.cluster(ctx, at.folder, found.record)
	if err != nil {
		return nil, nil, err
	}
	if found.record == nil {
		record, key, err := p.create(ctx, at.folder, cluster)
		if !errors.Is(err, ErrExists) {
			return record, key, err
		}
		// Somebody else was first. His is the database's key.
		if found, err = p.find(at); err != nil {
			return nil, nil, err
		}
		if found.record == nil {
			return nil, nil, &Error{at.folder, ErrInUse, RecordFile + " came and went", nil}
		}
		if _, err := p.cluster(ctx, at.folder, found.record); err != nil {
			return nil, nil, err
		}
	}
	key, err := p.unwrap(ctx, at.folder, found.record)
	if err != nil {
		return nil, nil, err
	}
	if err := p.mustOpen(at.folder, key, found); err != nil {
		clear(key)
		return nil, nil, err
	}
	if !found.hasFile {
		if err := p.store(at.folder, found.record); err != nil && !errors.Is(err, ErrExists) {
			clear(key)
			return nil, nil, err
		}
	}
	return p.freshen(ctx, at.folder, found.record, key), key, nil
}

// found is what is kept of a DEK.
type found struct {
	// record is nil when there is none.
	record *Record
	// hasFile: it is in its own file, not in the catalog alone.
	hasFile bool
	// hasOther: the catalog's copy is wrapped differently.
	hasOther bool
}

// find reads both copies of the record and refuses what does not belong here.
// The file is the truth; the catalog's copy is used when there is no file.
func (p *Provider) find(at place) (found, error) {
	file, err := readRecordFile(at.folder)
	if err != nil {
		return found{}, err
	}
	catalog, err := readCatalog(at.folder, at.catalog)
	if err != nil {
		return found{}, err
	}
	copied, err := catalog.record(at.folder)
	if err != nil {
		return found{}, err
	}
	for _, record := range []*Record{file, copied} {
		if err := p.mustBelong(at.folder, record); err != nil {
			return found{}, err
		}
	}
	if file == nil {
		return found{record: copied}, nil
	}
	if copied != nil && copied.ClusterID != file.ClusterID {
		return found{}, &Error{at.folder, ErrForeignCluster, fmt.Sprintf("the catalog's is of cluster %s, and %s of cluster %s; "+
			"one of the two was copied from elsewhere", copied.ClusterID, RecordFile, file.ClusterID), nil}
	}
	return found{file, true, copied != nil && copied.WrappedDEK != file.WrappedDEK}, nil
}

// mustBelong refuses a record of another database or another key.
func (p *Provider) mustBelong(folder string, record *Record) error {
	if record == nil {
		return nil
	}
	own := p.context(folder)
	for _, name := range []string{"purpose", "database"} {
		if record.EncryptionContext[name] != own[name] {
			return &Error{folder, ErrWrongDatabase, fmt.Sprintf("it is for %s %q, and here %q is asked for",
				name, record.EncryptionContext[name], own[name]), nil}
		}
	}
	if record.KeyName != p.keyName {
		return &Error{folder, ErrWrongKey, fmt.Sprintf("it was made by key %q, and the settings name key %q",
			record.KeyName, p.keyName), nil}
	}
	return nil
}

// mustBeNew refuses a folder with data and no wrapped DEK. The record is
// looked for once more after the data: somebody else may have made both since.
func (p *Provider) mustBeNew(at place) (found, error) {
	catalog, err := readCatalog(at.folder, at.catalog)
	if err != nil {
		return found{}, err
	}
	holds, err := holdsData(at.folder, catalog)
	if err != nil {
		return found{}, err
	}
	again, err := p.find(at)
	if err != nil || again.record != nil || !holds {
		return again, err
	}
	return found{}, &Error{at.folder, ErrNoWrappedKey, "no key is made over existing data. Put " + RecordFile +
		" back from a backup; if the data has a raw key, adopt it; if it is not encrypted, encrypt it first", nil}
}

// cluster asks which cluster would be used, and refuses when it is not the
// record's, or when this database holds its own data.
func (p *Provider) cluster(ctx context.Context, folder string, record *Record) (string, error) {
	holder, err := readCluster(folder)
	if err != nil {
		return "", err
	}
	var cluster string
	err = p.retry.do(ctx, func(ctx context.Context) (err error) {
		if cluster, err = p.kms.ClusterID(ctx); err == nil && cluster == "" {
			err = errors.New("it does not say which cluster it is, as one that is sealed does not")
		}
		return err
	})
	if err != nil {
		return "", p.failed(folder, "asking for the cluster", err)
	}
	if holder == cluster {
		return "", &Error{folder, ErrCircular, fmt.Sprintf("both are cluster %s. It could not start without its data, nor open "+
			"its data without starting. Use another BunKMS, or a key from elsewhere", cluster), nil}
	}
	if record != nil && record.ClusterID != cluster {
		return "", &Error{folder, ErrForeignCluster, fmt.Sprintf("it was made by cluster %s, and the settings name cluster %s",
			record.ClusterID, cluster), nil}
	}
	return cluster, nil
}

// create makes a DEK and stores it wrapped. ErrExists: somebody else was first.
func (p *Provider) create(ctx context.Context, folder, cluster string) (*Record, []byte, error) {
	record, key, err := p.generate(ctx, folder, cluster)
	if err != nil {
		return nil, nil, err
	}
	if err := p.store(folder, record); err != nil {
		clear(key)
		return nil, nil, err
	}
	p.step("stored")
	return record, key, nil
}

// generate makes a DEK, and keeps it nowhere.
func (p *Provider) generate(ctx context.Context, folder, cluster string) (*Record, []byte, error) {
	record := &Record{recordVersion, cluster, p.keyName, "", p.context(folder)}
	var key []byte
	err := p.retry.do(ctx, func(ctx context.Context) (err error) {
		key, record.WrappedDEK, err = p.kms.GenerateDataKey(ctx, p.keyName, record.EncryptionContext)
		return err
	})
	if err != nil {
		return nil, nil, p.failed(folder, fmt.Sprintf("making a DEK with key %q", p.keyName), err)
	}
	p.step("generated")
	if len(key) != KeyLength {
		clear(key)
		return nil, nil, &Error{folder, ErrRefused, "its data key does not have 32 bytes", nil}
	}
	return record, key, nil
}

// unwrap asks for the DEK.
func (p *Provider) unwrap(ctx context.Context, folder string, record *Record) ([]byte, error) {
	var key []byte
	err := p.retry.do(ctx, func(ctx context.Context) (err error) {
		key, err = p.kms.Decrypt(ctx, record.KeyName, record.WrappedDEK, record.EncryptionContext)
		return err
	})
	if err != nil {
		return nil, p.failed(folder, fmt.Sprintf("unwrapping the DEK with key %q, version %d", record.KeyName, record.KeyVersion()), err)
	}
	if len(key) != KeyLength {
		clear(key)
		return nil, &Error{folder, ErrWrongKey, "what it wraps does not have 32 bytes", nil}
	}
	return key, nil
}

// mustOpen refuses a key that does not open the data.
func (p *Provider) mustOpen(folder string, key []byte, from found) error {
	opens, empty, err := opensSample(folder, key)
	if err != nil || opens || empty {
		return err
	}
	detail := "the data is of another database, of another DEK or not encrypted, or a crash or a full disk tore its first pages"
	if from.hasOther {
		// As after a backup was put back from before the DEK was rotated.
		detail += "; the catalog has another wrapped DEK than " + RecordFile + ", and is asked once that file is removed"
	}
	return &Error{folder, ErrDataMismatch, detail, nil}
}

// store makes the record durable, if there is none yet.
func (p *Provider) store(folder string, record *Record) error {
	text, err := record.encode()
	if err != nil {
		return err
	}
	if _, err := parseRecord(text); err != nil {
		return &Error{folder, ErrRefused, "its wrapped DEK cannot be kept", err}
	}
	if _, err := makeFolders(folder); err != nil {
		return err
	}
	return exists(folder, createFile(filepath.Join(folder, RecordFile), text, p.step))
}

// context is what a database's DEK is bound to.
func (p *Provider) context(folder string) map[string]string {
	return map[string]string{"purpose": Purpose, "database": p.database(folder)}
}

// failed makes an error of what a KMS returned.
func (p *Provider) failed(folder, doing string, err error) error {
	return &Error{folder, kindOf(err), doing, err}
}
