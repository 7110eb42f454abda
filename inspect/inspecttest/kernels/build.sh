#!/bin/bash
# build.sh - copy /proc and /sys of other kernels, by booting them in qemu.
#
#   build.sh fetch TREE RELEASE...     get kernels of Debian (amd64)
#   build.sh capture TREE OUT [STATE]...
#                                      boot every kernel in TREE, once per state
#                                      (idle, swap, eased, oom and sched; default:
#                                      the first three)
#   build.sh check TREE OUT KWHY       boot every kernel in TREE with this static
#                                      kwhy, run what it has, and check what it
#                                      says with the program in check
#
# fetch downloads linux-image-RELEASE and, where the kernel is split, also its
# linux-binary-, linux-modules- and linux-base-, with apt state of its own under
# TREE/.apt; nothing is installed and the machine's apt is not touched.
# Packages are unpacked to TREE/RELEASE.  KW_MIRROR is the URL
# of a Debian mirror (fetch alone needs it); KW_SUITES the "archive/suite" words that
# are searched.  Signatures are not checked: what comes is data for a virtual
# machine, and the keys of old suites may be missing here.
#
# capture builds an initramfs (busybox, init, capture; the modules for virtio
# disks and zram), boots each kernel under software emulation (TCG,
# 2 CPUs) and unpacks the archive which the machine
# writes to its second disk as OUT/RELEASE-STATE/{proc,sys,...}, owner and modes
# as tar makes them.  An OUT/RELEASE-STATE that exists is left alone.
#   idle   1024 MiB, no swap; THP as the kernel has it by default
#   swap   512 MiB, 128 MiB of zram swap, tens of MiB of it in use, memory
#          short; kernels switch THP off by default when they have that little
#   eased  as swap, but then 120 MiB are given back and a file is read, so that
#          there is page cache; swap stays in use
#   oom    as swap, with more cgroups, a zombie, and a kill in one of them; after
#          the capture more kills, whose logs go to OUT/RELEASE-oom.logs: dmesg,
#          kmsg (records), truth (who died, as their parent saw it)
#   sched  as idle, with tasks of every policy, two that compete for a CPU, and
#          a cgroup that is throttled; debugfs mounted
# With KW_KWHY, a static kwhy, the machine runs its subcommands too; what they
# say goes to OUT/RELEASE-STATE.logs.
# KW_MEM overrides the size, KW_TIMEOUT the seconds for one boot (default 420).
# See init for the processes and cgroups, capture.list for the files,
# capture.c for how they are read.
#
# Needs: bash, cc with a static libc, busybox (static), qemu-system-x86_64,
# mke2fs, tar, xz, nice, timeout; fetch: apt-get, dpkg-deb.
# One machine at a time, niced.  Prints nothing but failures; the console of a
# failed boot is kept as OUT/RELEASE-STATE.log.  Exit status 1 if one failed.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
mirror=${KW_MIRROR:-}
suites=${KW_SUITES:-debian/bookworm debian-security/bookworm-security
	debian/bookworm-backports debian/bullseye debian-security/bullseye-security
	debian/trixie debian-security/trixie-security debian/trixie-backports}
limit=${KW_TIMEOUT:-420}
disk_modules="virtio_pci virtio_blk crc32c_generic crc32c-cryptoapi ext4"
swap_modules="lzo-rle zram"

die() {
	echo "build.sh: $*" >&2
	exit 1
}

usage() {
	die "usage: build.sh fetch TREE RELEASE... | capture TREE OUT [STATE]... | check TREE OUT KWHY"
}

fetch() {
	[ $# -ge 2 ] || usage
	[ -n "$mirror" ] || die "KW_MIRROR is not set: the URL of a Debian mirror"
	mkdir -p "$1"
	local tree apt rel pkg s
	tree=$(cd "$1" && pwd)
	shift
	apt=$tree/.apt
	mkdir -p "$apt"/{state/lists/partial,cache/archives/partial,debs}
	: >"$apt/status"
	for s in $suites; do
		echo "deb [trusted=yes] $mirror/${s%%/*} ${s#*/} main"
	done >"$apt/sources.list"
	cat >"$apt/conf" <<-END
		Dir::State "$apt/state";
		Dir::State::status "$apt/status";
		Dir::Cache "$apt/cache";
		Dir::Etc::SourceList "$apt/sources.list";
		Dir::Etc::SourceParts "/dev/null";
		Dir::Etc::Parts "/dev/null";
		APT::Architecture "amd64";
		APT::Sandbox::User "root";
		Acquire::Languages "none";
	END
	export APT_CONFIG=$apt/conf
	apt-get -qq update
	for rel; do
		[ ! -e "$tree/$rel" ] || continue
		rm -rf "$apt/debs" "$apt/new"
		mkdir "$apt/debs" "$apt/new"
		for pkg in image binary modules base; do
			pkg=linux-$pkg-$rel
			if [ "$pkg" = "linux-image-$rel" ] || [ -n "$(apt-cache show "$pkg" 2>/dev/null)" ]; then
				(cd "$apt/debs" && apt-get -qq download "$pkg")
			fi
		done
		for pkg in "$apt"/debs/*.deb; do
			dpkg-deb -x "$pkg" "$apt/new"
		done
		mv "$apt/new" "$tree/$rel"
	done
	rm -rf "$apt/debs"
}

# module_file MODDIR NAME: its path; nothing if it is built in.
module_file() {
	local n=${2//-/_}
	find "$1/" -name '*.ko*' | awk -v n="$n" '{
		f = $0; sub(".*/", "", f); sub("[.]ko.*", "", f); gsub("-", "_", f)
		if (f == n && !done) { print; done = 1 }
	}'
}

# modules MODDIR DEST LIST NAME...: copy modules, dependencies first, to DEST
# and append their file names to LIST.
modules() {
	local dir=$1 dest=$2 list=$3 name file base dep
	shift 3
	for name; do
		file=$(module_file "$dir" "$name")
		[ -n "$file" ] || continue
		base=$(basename "$file")
		base=${base%%.ko*}.ko
		[ ! -e "$dest/$base" ] || continue
		case $file in
		*.xz) xz -dc "$file" ;;
		*.gz) gzip -dc "$file" ;;
		*.zst) zstd -dqc "$file" ;;
		*) cat "$file" ;;
		esac >"$dest/$base"
		dep=$(tr '\0' '\n' <"$dest/$base" | sed -n 's/^depends=//p' | tr ',' ' ')
		# shellcheck disable=SC2086
		modules "$dir" "$dest" "$list" $dep
		echo "$base" >>"$list"
	done
}

# boot ROOT STATE OUTDIR
boot() {
	local root=$1 state=$2 out=$3 kernel moddir rd st mem=1024
	case $state in idle | sched) ;; *) mem=512 ;; esac
	mem=${KW_MEM:-$mem}
	kernel=$(find "$root/" -name 'vmlinuz*' -type f -print -quit)
	[ -n "$kernel" ] || die "$root: no vmlinuz"
	moddir=$(find "$root/" -path '*/lib/modules/*' -type d -print -quit)
	rd=$work/rd
	rm -rf "$rd" "$work"/*.img "$work/initrd"
	mkdir -p "$rd"/{bin,dev,proc,sys,tmp,data,modules}
	cp "$busybox" "$rd/bin/busybox"
	for st in $("$busybox" --list); do
		ln -s busybox "$rd/bin/$st" 2>/dev/null || :
	done
	cp "$work/capture" "$rd/bin/capture"
	cp "$here/init" "$rd/init"
	chmod 755 "$rd/init"
	cp "$here/capture.list" "$rd/capture.list"
	: >"$rd/modules/disk"
	: >"$rd/modules/swap"
	if [ -n "$moddir" ]; then
		# shellcheck disable=SC2086
		modules "$moddir" "$rd/modules" "$rd/modules/disk" $disk_modules
		if [ "$state" != idle ] && [ "$state" != sched ]; then
			# shellcheck disable=SC2086
			modules "$moddir" "$rd/modules" "$rd/modules/swap" $swap_modules
		fi
	fi
	(cd "$rd" && find . | LC_ALL=C sort | "$busybox" cpio -o -H newc 2>/dev/null) |
		gzip -1 >"$work/initrd"
	mke2fs -q -t ext4 -d "$work/data" "$work/data.img" 96M >/dev/null
	truncate -s 32M "$work/tar.img"

	st=0
	timeout "$limit" nice -n 10 qemu-system-x86_64 -machine pc -accel tcg \
		-smp 2 -m "$mem" -nodefaults -no-user-config -no-reboot -display none \
		-kernel "$kernel" -initrd "$work/initrd" \
		-append "console=ttyS0 quiet panic=-1 log_buf_len=4M capture=$state" \
		-serial "file:$work/console" \
		-drive "file=$work/data.img,if=virtio,format=raw" \
		-drive "file=$work/tar.img,if=virtio,format=raw" \
		>"$work/qemu" 2>&1 </dev/null || st=$?
	if [ $st = 0 ] && tr -d '\r' <"$work/console" | grep -q '^capture: done 0$'; then
		rm -rf "$work/new"
		mkdir "$work/new"
		tar -xf "$work/tar.img" -C "$work/new" --no-same-owner
		mv "$work/new" "$out"
		[ "$state" != oom ] && [ -z "${KW_KWHY:-}" ] || { mkdir "$out.logs" && /sbin/debugfs -R "rdump /logs $out.logs" "$work/data.img" >/dev/null 2>&1; }
		return 0
	fi
	cat "$work/qemu" "$work/console" >"$out.log" 2>/dev/null || :
	echo "build.sh: $(basename "$out"): failed (qemu status $st), see $out.log" >&2
	return 1
}

capture() {
	[ $# -ge 2 ] || usage
	local tree=$1 out=$2 bad=0 root state prog
	shift 2
	[ $# -gt 0 ] || set -- idle swap eased
	for state; do
		case $state in idle | swap | eased | oom | sched) ;; *) usage ;; esac
	done
	for prog in cc busybox qemu-system-x86_64 mke2fs tar xz timeout; do
		command -v $prog >/dev/null || die "$prog is missing"
	done
	busybox=$(command -v busybox)
	mkdir -p "$out"
	work=$(mktemp -d)
	trap 'rm -rf "$work"' EXIT
	mkdir "$work/data"
	cc -O2 -Wall -static -o "$work/capture" "$here/capture.c"
	cc -O2 -Wall -static -o "$work/data/hog" "$here/hog.c"
	cp "$work/data/hog" "$work/data/hog2"
	cp "$work/data/hog" "$work/data/fill"
	cc -O2 -Wall -static -o "$work/data/task" "$here/task.c"
	[ -z "${KW_KWHY:-}" ] || cp "$KW_KWHY" "$work/data/kwhy"
	head -c $((24 << 20)) /dev/zero | tr '\0' 'x' >"$work/data/blob"
	for root in "$tree"/*; do
		[ -d "$root" ] || continue
		for state; do
			[ ! -e "$out/$(basename "$root")-$state" ] || continue
			boot "$root" "$state" "$out/$(basename "$root")-$state" || bad=1
		done
	done
	return $bad
}

check() {
	[ $# = 3 ] || usage
	KW_KWHY=$3 capture "$1" "$2" sched
	(cd "$here/../../.." && go run ./cmd/kwhy schema >"$2/schema.json" &&
		go run ./inspect/inspecttest/kernels/check "$2/schema.json" "$2"/*-sched.logs/logs)
}

case ${1:-} in
fetch | capture | check) "$@" ;;
*) usage ;;
esac
