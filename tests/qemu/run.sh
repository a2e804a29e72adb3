#!/bin/bash
# Tests with a real kernel: boots Debian's kernel in QEMU (software emulation, since KVM may fail within a virtual machine; no
# modules on this machine) with this machine's file system as a read-only root, loads v4l2loopback, vivid (a camera) and
# snd-aloop (a sound card whose output is its microphone), and runs tests/qemu/job.py in this repository's virtual
# environment. Nothing of this machine is changed.
#   tests/qemu/run.sh [FOLDER]     keeps kernel and console log in FOLDER (default: a new one)
#   apt-get install --no-install-recommends qemu-system-x86 busybox-static kmod cpio linux-headers-amd64
# Exit code: 0 all passed, 77 something it needs is missing (said), else a failure.
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
work=$(realpath "${1:-$(mktemp -d)}")
modules="virtio_pci 9p 9pnet_virtio overlay v4l2loopback vivid snd_aloop"

for program in qemu-system-x86_64 busybox cpio modprobe dpkg apt-get make; do
  command -v "$program" > /dev/null || { echo "skipped: $program is missing"; exit 77; }
done
[ -x "$root/.venv/bin/python" ] || { echo "skipped: there is no virtual environment .venv; run: make venv"; exit 77; }
package=$(apt-cache depends linux-image-amd64 | grep -oE "linux-image-[0-9][^ ]*-amd64" | head -1) || true
kernel=${package#linux-image-}
[ -d "/lib/modules/$kernel/build" ] || { echo "skipped: linux-headers-amd64 of $kernel are missing"; exit 77; }

prepare() {
  mkdir -p "$work/k" "$work/out" && cd "$work"
  apt-get download -q -o APT::Sandbox::User=root "$package" v4l2loopback-dkms > /dev/null || { echo "skipped: no packages from the network"; exit 77; }
  for file in "$package"_*.deb v4l2loopback-dkms_*.deb; do dpkg -x "$file" k; done
  rm -rf source && cp -r k/usr/src/v4l2loopback-* source
  make -s -C "/lib/modules/$kernel/build" M="$work/source" modules > build.log 2>&1
  mkdir -p "k/lib/modules/$kernel/extra" && cp source/v4l2loopback.ko "k/lib/modules/$kernel/extra/"
  depmod -b k "$kernel" 2> /dev/null
  rm -rf disk && mkdir -p disk/{bin,proc,sys,dev,host,ov,guest,lib/modules} && cp "$(command -v busybox)" disk/bin/
  for module in $modules; do
    modprobe -d k -S "$kernel" --show-depends "$module" | awk '/^insmod/ {print $2}'
  done | awk '!seen[$0]++' | while read -r file; do cp "$file" disk/lib/modules/; basename "$file"; done > disk/order
  sed "s|@ROOT@|$root|" "$root/tests/qemu/init" > disk/init && chmod +x disk/init
  (cd disk && find . | cpio -o -H newc 2> /dev/null | gzip -1) > disk.gz
}

[ -f "$work/disk.gz" ] || prepare
cd "$work"
share="security_model=none"
timeout "${QEMU_LIMIT_S:-1500}" qemu-system-x86_64 -accel tcg,thread=multi -smp 2 -m 3072 -cpu max -nographic -no-reboot \
  -nic none -kernel "k/boot/vmlinuz-$kernel" -initrd disk.gz -append "console=ttyS0 quiet loglevel=3 mitigations=off panic=-1" \
  -fsdev "local,id=h,path=/,$share,readonly=on,multidevs=remap" -device virtio-9p-pci,fsdev=h,mount_tag=host \
  < /dev/null 2>&1 | tr -d '\r' | tee console.log
grep -q "^JOB 0" console.log
