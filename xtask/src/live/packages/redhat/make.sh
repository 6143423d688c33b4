# Makes the packages and the repository, inside the image. Two keys: one that rpm is given, and one that nobody has.
# Debian's rpm has its record in a home directory.
mkdir -p /etc/rpm
echo '%_dbpath /var/lib/rpm' > /etc/rpm/macros.dbpath
cd /srv/build
mkdir -p /srv/repository /srv/keys
for name in present unknown; do
    gpg --batch --quiet --passphrase '' --quick-generate-key $name rsa2048 sign never
    gpg --batch --quiet --armor --export $name > /srv/keys/$name.asc
done
for directory in */; do
    rpmbuild -bb --quiet --define "_sourcedir $PWD/$directory" --define '_rpmdir /srv/repository' \
        --define '_build_name_fmt %%{NAME}-%%{VERSION}-%%{RELEASE}.%%{ARCH}.rpm' $directory/package.spec
done
rpm --define '_gpg_name present' --define '__gpg /usr/bin/gpg' --addsign /srv/repository/*.rpm > /dev/null
# The index of a repository that has not the first version any more.
createrepo_c --quiet --excludes 'flow-2.1.0*' /srv/repository
gpg --batch --quiet --local-user present --armor --detach-sign /srv/repository/repodata/repomd.xml
mv /srv/repository/repodata /srv/without
createrepo_c --quiet /srv/repository
for name in present unknown; do
    gpg --batch --quiet --local-user $name --armor --detach-sign --output /srv/keys/repomd.$name /srv/repository/repodata/repomd.xml
done
cp /srv/keys/repomd.present /srv/repository/repodata/repomd.xml.asc
cp /srv/keys/present.asc /etc/flow.asc
rpm --import /etc/flow.asc
mkdir -p /etc/yum.repos.d /srv/flow
cat > /etc/yum.repos.d/flow.repo <<'END'
[flow]
name=Flow
baseurl=file:///srv/repository
gpgcheck=1
repo_gpgcheck=1
gpgkey=file:///etc/flow.asc
END
# Debian's dnf has a plugin that looks for packages that were never downloaded.
sed -i 's/^enabled.*/enabled = 0/' /etc/dnf/plugins/local.conf
mkdir -p /etc/dnf/vars
echo 1 > /etc/dnf/vars/releasever
dnf --assumeyes install base flow-2.1.0 flow-web-2.1.0
