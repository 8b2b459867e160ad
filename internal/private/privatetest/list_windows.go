package privatetest

import "golang.org/x/sys/windows"

// Everybody is an access list that lets everybody in.
const Everybody = "D:P(A;OICI;FA;;;WD)(A;OICI;FA;;;SY)"

// SetList gives what is at path an access list, in the notation of security descriptors.
func SetList(path, text string) error {
	sd, err := windows.SecurityDescriptorFromString(text)
	if err != nil {
		return err
	}
	list, _, err := sd.DACL()
	if err != nil {
		return err
	}
	return windows.SetNamedSecurityInfo(path, windows.SE_FILE_OBJECT,
		windows.DACL_SECURITY_INFORMATION|windows.PROTECTED_DACL_SECURITY_INFORMATION, nil, nil, list, nil)
}
