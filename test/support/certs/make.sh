#!/bin/sh
# Makes the certificates of this folder, valid for 100 years. They are committed: tests need no openssl. Run it in this folder.
set -e
DAYS=36500
ca() { # NAME SUBJECT
  openssl req -x509 -newkey rsa:2048 -nodes -keyout "$1.key" -out "$1.pem" -days $DAYS -subj "$2" \
    -addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign,cRLSign
}
leaf() { # NAME SUBJECT CA EXTENSIONS [genkey options]
  name=$1 subject=$2 ca=$3 extensions=$4
  shift 4
  openssl req -newkey "${1:-rsa:2048}" ${2:+-pkeyopt} ${2:+"$2"} -nodes -keyout "$name.key" -out "$name.csr" -subj "$subject"
  printf '%b' "$extensions" > ext
  openssl x509 -req -in "$name.csr" -CA "$ca.pem" -CAkey "$ca.key" -days $DAYS -out "$name.pem" -extfile ext -set_serial "0x$(openssl rand -hex 8)"
  rm "$name.csr" ext
}
END="basicConstraints=CA:FALSE\n"
ca ca "/C=DE/O=Test, Inc/CN=Test CA"
ca other-ca "/CN=Nobody's CA"
leaf a "/C=DE/O=Org/OU=One/CN=a.test" ca "${END}subjectAltName=DNS:a.test,DNS:*.a.test\n"
leaf a-ec "/CN=a.test" ca "${END}subjectAltName=DNS:a.test\n" ec ec_paramgen_curve:P-256
leaf b "/CN=b.test" ca "${END}subjectAltName=DNS:b.test\n"
leaf backend "/CN=127.0.0.1" ca "${END}subjectAltName=DNS:backend.test,DNS:localhost\n"
leaf client "/C=DE/O=Org/CN=client/emailAddress=c@x.test" ca "${END}extendedKeyUsage=clientAuth\nsubjectAltName=email:c@x.test,DNS:client.test\n"
leaf stranger "/CN=stranger" other-ca "$END"
leaf server-only "/CN=server only" ca "${END}extendedKeyUsage=serverAuth\n"
# below an authority that is itself below "Test CA"
leaf intermediate "/CN=Intermediate" ca "basicConstraints=critical,CA:TRUE,pathlen:0\nkeyUsage=critical,keyCertSign\n"
leaf deep "/CN=deep" intermediate "$END"
cat deep.pem intermediate.pem > deep-chain.pem
# what an authority with pathlen:0 may not make
leaf too-deep-ca "/CN=Too Deep CA" intermediate "basicConstraints=critical,CA:TRUE\n"
leaf too-deep "/CN=too deep" too-deep-ca "$END"
cat too-deep.pem too-deep-ca.pem intermediate.pem > too-deep-chain.pem
# signed by a certificate that is no authority
leaf forged "/CN=forged" client "$END"
cat forged.pem client.pem > forged-chain.pem
# expired on the day after it was made
openssl req -newkey rsa:2048 -nodes -keyout expired.key -out expired.csr -subj "/CN=127.0.0.1"
printf '[ca]\ndefault_ca=x\n[x]\ndatabase=db\nserial=db.serial\nnew_certs_dir=.\ndefault_md=sha256\npolicy=p\n[p]\ncommonName=supplied\n' > db.conf
: > db && echo 77 > db.serial
openssl ca -config db.conf -batch -notext -in expired.csr -cert ca.pem -keyfile ca.key -startdate 20200101000000Z -enddate 20200102000000Z -out expired.pem
rm db* 77.pem
rm expired.csr ca.key other-ca.key intermediate.key too-deep-ca.key
rm -f ca.srl
openssl rsa -aes128 -passout pass:secret -in a.key -out encrypted.key
cat client.pem client.key > client-pair.pem
