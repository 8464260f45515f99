// Package s3 keeps backups in a bucket of S3 or of what speaks its protocol. A
// PUT there is whole or not at all.
package s3

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"

	"github.com/mailstead/mailstead/admin/backup/target"
)

// Options say where a bucket is. All but Prefix and Region are needed.
type Options struct {
	Endpoint       string // host or host:port
	Bucket, Prefix string
	Region         string
	KeyID, Secret  string
	Plain          bool // without TLS, for tests and for this machine
}

// Bucket is a target.Target.
type Bucket struct {
	client *minio.Client
	bucket string
	prefix string // "" or with its slash
}

var _ target.Target = (*Bucket)(nil)

// Open uses a bucket, which must be there.
func Open(ctx context.Context, o Options) (*Bucket, error) {
	client, err := minio.New(o.Endpoint, &minio.Options{Creds: credentials.NewStaticV4(o.KeyID, o.Secret, ""), Secure: !o.Plain, Region: o.Region, MaxRetries: 3})
	if err != nil {
		return nil, fmt.Errorf("S3: %w", err)
	}
	b := &Bucket{client: client, bucket: o.Bucket, prefix: strings.Trim(o.Prefix, "/")}
	if b.prefix != "" {
		b.prefix += "/"
	}
	ok, err := client.BucketExists(ctx, o.Bucket)
	if err != nil {
		return nil, b.explain(err)
	}
	if !ok {
		return nil, fmt.Errorf("S3: there is no bucket %s at %s; make it first", o.Bucket, o.Endpoint)
	}
	return b, nil
}

// explain says in words what the server means.
func (b *Bucket) explain(err error) error {
	switch resp := minio.ToErrorResponse(err); resp.Code {
	case minio.NoSuchKey:
		return fmt.Errorf("%w: %s", target.ErrNotFound, resp.Key)
	case minio.AccessDenied, "InvalidAccessKeyId", "SignatureDoesNotMatch":
		return fmt.Errorf("S3: the server refuses the key (%s); see backup.s3-key-id and backup.s3-secret", resp.Code)
	}
	return fmt.Errorf("S3: %w", err)
}

// Put implements target.Target.
func (b *Bucket) Put(ctx context.Context, name string, content []byte) error {
	if err := target.CheckName(name); err != nil {
		return err
	}
	_, err := b.client.PutObject(ctx, b.bucket, b.prefix+name, bytes.NewReader(content), int64(len(content)), minio.PutObjectOptions{DisableMultipart: true, ContentType: "application/octet-stream"})
	if err != nil {
		return b.explain(err)
	}
	return nil
}

// Get implements target.Target.
func (b *Bucket) Get(ctx context.Context, name string) ([]byte, error) {
	if err := target.CheckName(name); err != nil {
		return nil, err
	}
	o, err := b.client.GetObject(ctx, b.bucket, b.prefix+name, minio.GetObjectOptions{})
	if err != nil {
		return nil, b.explain(err)
	}
	defer o.Close()
	content, err := target.ReadAll(o)
	if errors.Is(err, target.ErrTooLarge) {
		return nil, err
	}
	if err != nil {
		return nil, b.explain(err)
	}
	return content, nil
}

// List implements target.Target.
func (b *Bucket) List(ctx context.Context, folder string) ([]target.Object, error) {
	if err := target.CheckName(folder); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx) // ends the listing if we do not read on
	defer cancel()
	var list []target.Object
	for o := range b.client.ListObjects(ctx, b.bucket, minio.ListObjectsOptions{Prefix: b.prefix + folder + "/", Recursive: true}) {
		if o.Err != nil {
			return nil, b.explain(o.Err)
		}
		list = append(list, target.Object{Name: strings.TrimPrefix(o.Key, b.prefix), Size: o.Size})
	}
	return list, ctx.Err()
}

// Delete implements target.Target.
func (b *Bucket) Delete(ctx context.Context, name string) error {
	if err := target.CheckName(name); err != nil {
		return err
	}
	if err := b.client.RemoveObject(ctx, b.bucket, b.prefix+name, minio.RemoveObjectOptions{}); err != nil {
		if err = b.explain(err); !errors.Is(err, target.ErrNotFound) {
			return err
		}
	}
	return nil
}

// Close implements target.Target.
func (b *Bucket) Close() error { return nil }
